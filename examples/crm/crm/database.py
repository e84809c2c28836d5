"""PostgreSQL: engine, sessions, and the first rows."""

import os
from collections.abc import AsyncIterator

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from crm.models import Base, Contact, User, Workflow

URL = os.environ.get("DATABASE_URL", "postgresql://postgres@localhost/postgres")

engine = create_async_engine(URL.replace("postgresql://", "postgresql+asyncpg://", 1), pool_size=5)
Session = async_sessionmaker(engine, expire_on_commit=False)


async def session() -> AsyncIterator[AsyncSession]:
    """One session a request, for `Depends`."""
    async with Session() as opened:
        yield opened


async def prepare() -> None:
    """Make the tables and, if they are empty, two users, three contacts and a workflow."""
    async with engine.begin() as connection:
        await connection.execute(select(func.pg_advisory_xact_lock(1)))  # several workers start
        await connection.run_sync(Base.metadata.create_all)
    async with Session.begin() as opened:
        await opened.execute(select(func.pg_advisory_xact_lock(1)))
        if await opened.scalar(select(User).limit(1)):
            return
        opened.add_all(
            [User(id=1, name="Ada", token="ada-token"), User(id=2, name="Ben", token="ben-token")]
        )
        opened.add_all(
            Contact(name=name, email=f"{name.lower()}@example.org")
            for name in ("Chidi", "Dana", "Emre")
        )
        await opened.flush()
        opened.add(Workflow(name="welcome", created_by=1))
