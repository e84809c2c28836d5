"""`python -m demo`: the CRM example, observed, in this terminal. What `make demo` runs."""
