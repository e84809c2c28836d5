"""Workflows: made, run for one contact in the background, or for many at once."""

import asyncio
import logging
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException
from pydantic import BaseModel
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from crm import cache, database, numbers
from crm.models import Action, Contact, Workflow
from crm.users import Me

log = logging.getLogger(__name__)
router = APIRouter(prefix="/workflows", tags=["workflows"])

Opened = Annotated[AsyncSession, Depends(database.session)]


class NewWorkflow(BaseModel):
    name: str


class Enrolment(BaseModel):
    contact_ids: list[int]


@router.post("", status_code=201)
async def create_workflow(new: NewWorkflow, me: Me, session: Opened) -> dict[str, int]:
    workflow = Workflow(name=new.name, created_by=me.id)
    session.add(workflow)
    await session.commit()
    numbers.workflows_created.add()
    log.info("workflow created", extra={"workflow": new.name})
    return {"id": workflow.id}


@router.post("/{workflow_id}/run/{contact_id}", status_code=202)
async def run_workflow(
    workflow_id: int, contact_id: int, tasks: BackgroundTasks, me: Me, session: Opened
) -> dict[str, str]:
    """Answers at once; the action follows in the background."""
    if not await session.get(Workflow, workflow_id) or not await session.get(Contact, contact_id):
        raise HTTPException(404, "no such workflow or contact")
    tasks.add_task(_act, workflow_id, contact_id)
    return {"status": "accepted"}


async def _act(workflow_id: int, contact_id: int) -> None:
    async with database.Session.begin() as session:
        session.add(Action(workflow_id=workflow_id, contact_id=contact_id, kind="welcome"))
    await cache.forget(f"contact:{contact_id}")
    numbers.actions_executed.add(1, {"action.kind": "welcome"})
    log.info("action executed")


@router.post("/{workflow_id}/enrol", status_code=202)
async def enrol_contacts(
    workflow_id: int, enrolment: Enrolment, me: Me, session: Opened
) -> dict[str, int]:
    """One action for each contact, in one statement."""
    rows = [
        {"workflow_id": workflow_id, "contact_id": contact_id, "kind": "enrol"}
        for contact_id in enrolment.contact_ids
    ]
    if rows:
        await session.execute(insert(Action), rows)
        await session.commit()
        numbers.actions_executed.add(len(rows), {"action.kind": "enrol"})
    numbers.bulk_enrolments.add()
    numbers.contacts_enrolled.record(len(rows))
    log.info("contacts enrolled", extra={"contacts": len(rows)})
    return {"enrolled": len(rows)}


@router.get("/report")
async def report(me: Me, session: Opened) -> dict[str, int]:
    """Actions by kind. Slow: somebody asked for it to be thorough."""
    await session.execute(select(func.pg_sleep(0.6)))
    counted = await session.execute(select(Action.kind, func.count()).group_by(Action.kind))
    await asyncio.sleep(0.1)
    return {kind: number for kind, number in counted.tuples()}


@router.post("/{workflow_id}/test")
async def test_workflow(workflow_id: int, me: Me) -> dict[str, str]:
    """Fails: nobody has handled a workflow without steps yet."""
    steps: list[str] = []
    log.info("testing a workflow")
    return {"first_step": steps[0]}
