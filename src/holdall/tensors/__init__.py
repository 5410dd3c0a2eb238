"""What tensors a file has, and how those of two models differ.

One reader per format: safetensors, torch's checkpoints, npy and npz, ONNX. Each is
a rule over `read_ranges`: it asks for the few bytes that name the tensors, takes no
length in them for true, and runs nothing that a file holds. None imports a framework.

    heads       names, dtypes, shapes, and where the bytes lie: a few requests per file
    sharing     which of these bytes two files have in common, told by chunks, unread
    pairing     which tensor of one is which of the other, whatever file each is in
    comparing   by how much the others differ, in pieces, in bounded memory
"""
