"""Who may open an encrypted store: its root keys, found in key slots by what a user gives.

    Unlock                 what a user gives                                    unlock.py
    find_roots             bucket, store id, Unlock, proof -> roots             unlocking.py
    Maker                  adds a slot, and revokes one                         making.py
    read_keys              what there is below `keys/`                          objects.py
    wrap_..., unwrap_...   a root into a slot and out of it; by AWS KMS         wrapping.py, kms.py
    public_key, x25519     key pairs of people, in the texts of age             identities.py, bech32.py
    renewed_slots, begin   a new root, and slots of it: a new epoch             rekeying.py
    OwnKeys                keys that experiments have of their own              own.py
    Ring                   all keys that were found, and which log has whose    ring.py
    SealedBucket           log entries and hints, opened as they are read       sealed_bucket.py
    fitting_cipher         the cipher that is fast on this processor            cipher.py

A slot's bytes are `format/slots.py`, roots are `format/roots.py`; SPEC.md, "Keys". What a store says of its first root
(`root_proof`, in its descriptor) decides which root is its own.
"""
