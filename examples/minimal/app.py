import logging

from fastapi import FastAPI

log = logging.getLogger("minimal")
app = FastAPI()


@app.get("/hello/{name}")
def hello(name: str) -> dict[str, str]:
    log.info("saying hello")
    return {"hello": name}
