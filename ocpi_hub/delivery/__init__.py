"""How the hub calls partners: the outbound client, relayed legs, lanes and catch-up."""
