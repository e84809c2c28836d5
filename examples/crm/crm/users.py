"""Who is asking: a bearer token, looked up in the cache and then in the database."""

import logging
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import cache, database, numbers
from crm.models import User

log = logging.getLogger(__name__)
bearer = HTTPBearer(auto_error=False)


@dataclass(frozen=True)
class CurrentUser:
    id: int


async def get_current_user(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
    session: Annotated[AsyncSession, Depends(database.session)],
) -> CurrentUser:
    if credentials is None:
        raise HTTPException(401, "a bearer token is needed")
    token = credentials.credentials
    if known := await cache.recall(f"user:{token}"):
        numbers.saw(int(known))
        return CurrentUser(int(known))
    user_id = await session.scalar(select(User.id).where(User.token == token))
    if user_id is None:
        log.warning("unknown token")
        raise HTTPException(401, "unknown token")
    numbers.saw(user_id)
    await cache.remember(f"user:{token}", str(user_id))
    return CurrentUser(user_id)


Me = Annotated[CurrentUser, Depends(get_current_user)]
