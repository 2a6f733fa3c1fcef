"""The state feed: bringing every receiver up to date with shared objects (design: Lanes).

reader.py   one per process: tails the feed, hands changes to the lanes this process leases
lane.py     one receiver and module: what is to be sent, and how far it has come; pure
pusher.py   sends what lanes have to send, and settles it
protocols.py  what all this asks of the database
"""
