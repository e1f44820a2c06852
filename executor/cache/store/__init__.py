"""The store on this host: layers that never change, pointers to them, leases of the jobs that use them."""
