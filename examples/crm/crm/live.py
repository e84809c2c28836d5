"""A websocket that tells how many actions there are, whenever it is asked."""

import logging

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from sqlalchemy import func, select

from crm import database
from crm.models import Action

log = logging.getLogger(__name__)
router = APIRouter()


@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    await socket.accept()
    log.info("somebody is watching")
    try:
        while True:
            await socket.receive_text()
            async with database.Session() as session:
                actions = await session.scalar(select(func.count()).select_from(Action))
            await socket.send_json({"actions": actions})
    except WebSocketDisconnect:
        log.info("nobody is watching any more")
