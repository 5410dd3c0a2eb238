"""Who answers for what: keys that sign, keys that are trusted, and envelopes of other tools.

    keys        a key pair that signs, from files of PEM and OpenSSH
    public_keys what a public key says of a signature; the kinds of keys
    agents      a key that somebody else holds: a command signs
    statements  the statement and bundle of OpenSSF model signing, as `model.sig` has them
    folders     a local folder held against a `model.sig`

Nothing here knows a store; what of one is signed, and where that is kept, `format.signature` says.
"""
