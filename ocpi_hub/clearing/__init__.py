"""Charge detail records as money: hold rules now, the ledger and prices build on them."""
