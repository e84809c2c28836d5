"""Contacts: read through the cache, made, listed, exported."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from crm import cache, database
from crm.models import Contact
from crm.users import Me

log = logging.getLogger(__name__)
router = APIRouter(prefix="/contacts", tags=["contacts"])

Opened = Annotated[AsyncSession, Depends(database.session)]


class NewContact(BaseModel):
    name: str
    email: str


class KnownContact(NewContact):
    id: int


@router.get("/export")
async def export_contacts(me: Me) -> StreamingResponse:
    """All contacts as CSV, row by row."""
    return StreamingResponse(_rows(), media_type="text/csv")


async def _rows() -> AsyncIterator[str]:
    yield "id,name,email\n"
    async with database.Session() as session:
        async for contact in await session.stream_scalars(select(Contact).order_by(Contact.id)):
            yield f"{contact.id},{contact.name},{contact.email}\n"
    log.info("contacts exported")


@router.post("/import", status_code=201)
async def import_contacts(new: list[NewContact], me: Me, session: Opened) -> dict[str, int]:
    """As many as can be; one that is known already costs itself alone."""
    made = 0
    for each in new:
        try:
            async with session.begin_nested():
                session.add(Contact(name=each.name, email=each.email))
            made += 1
        except IntegrityError:
            log.warning("contact known already")
    await session.commit()
    log.info("contacts imported")
    return {"imported": made, "known": len(new) - made}


@router.get("/{contact_id}")
async def read_contact(contact_id: int, me: Me, session: Opened) -> KnownContact:
    if kept := await cache.recall(f"contact:{contact_id}"):
        log.info("contact found in the cache")
        return KnownContact(**json.loads(kept))
    contact = await session.get(Contact, contact_id)
    if contact is None:
        raise HTTPException(404, "no such contact")
    found = KnownContact(id=contact.id, name=contact.name, email=contact.email)
    await cache.remember(f"contact:{contact_id}", found.model_dump_json())
    log.info("contact read from the database")
    return found


@router.get("")
async def list_contacts(me: Me, session: Opened) -> list[KnownContact]:
    contacts = await session.scalars(select(Contact).order_by(Contact.id).limit(100))
    return [KnownContact(id=c.id, name=c.name, email=c.email) for c in contacts]


@router.post("", status_code=201)
async def create_contact(new: NewContact, me: Me, session: Opened) -> KnownContact:
    contact = Contact(name=new.name, email=new.email)
    session.add(contact)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "this address is known already") from None
    log.info("contact created")
    return KnownContact(id=contact.id, name=contact.name, email=contact.email)
