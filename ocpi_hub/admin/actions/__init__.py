"""What operators do, one file per kind: the same for commands and for the API.

Actions return views. They raise OperatorError with what to do next, NoSuchObject for what does not
exist, and StoreError.
"""
