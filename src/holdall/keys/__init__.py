"""Who may open an encrypted store: its root keys, found in key slots by what a user gives.

    Unlock        what a user gives                                  unlock.py
    find_roots    bucket, store id, Unlock, proof -> roots           unlocking.py
    Maker         adds a slot, revokes one, begins an epoch          making.py
    read_keys     what there is below `keys/`                        objects.py
    renewed_slots, begin   a new root, and slots of it               rekeying.py
    OwnKeys       keys that experiments have of their own            own.py
    Ring          all keys that were found, and which log has whose  ring.py

A slot's bytes are `format/slots.py`, roots are `format/roots.py`; SPEC.md, "Keys". What a store says of its first root
(`root_proof`, in its descriptor) decides which root is its own.
"""
