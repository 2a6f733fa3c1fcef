"""What is counted and measured, and `/metrics` where Prometheus fetches it.

instruments.py  counters and histograms: requests, calls, decisions, feed
pulse.py        a loop that notes how the process is: queues, directory, event loop
figures.py      what is read from the database when somebody asks: custody, lanes, processes
endpoint.py     `/metrics`, and who may read it
workers.py      one sum for all worker processes behind one port
"""
