"""What is done for all tenants at once, from ceil(N/400) list requests and never one request a tenant.

Each part finds tenants that need something and puts their keys on the queue; what is then done to a
tenant is `reconcile`'s alone, decided by the same plan as everything else.
"""
