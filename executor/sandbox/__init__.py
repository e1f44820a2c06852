"""Making the plan real: images, network, volumes, containers, services; and taking all of it away again."""
