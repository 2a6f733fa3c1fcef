"""Who receives a message: direct, Broadcast Push, Open Routing, GET All. Pure."""
