"""A small, honest OCPI 2.2.1 platform for CPO and eMSP roles.

It serves three purposes: a simulator for demonstrations, a test peer whose behaviour can be
disturbed on purpose, and the far end of direct mode, where two platforms work without a hub.
"""
