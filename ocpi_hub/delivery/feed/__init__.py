"""The state feed: bringing every receiver up to date with shared objects (design: Lanes).

worker.py     one per process: leases lanes, tails the feed, hands them what concerns them
loader.py     what lanes missed, page by page
lane.py       one receiver and module: what is to be sent, and how far it has come; pure
sender.py     sends what lanes owe, and what the verdict means for them
attempt.py    one object to one receiver; an EVSE alone, or with its Location
receivers.py  who gets what
evses.py      which receivers take EVSEs alone
push.py       one object as a request
addressed.py  pushes that are relayed at once
protocols.py  what all this asks of the database
"""
