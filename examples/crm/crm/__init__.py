"""A small CRM: contacts, workflows that act on them, and bulk enrolment."""
