"""Published fine-tuned weights in place of a training of our own.

`sources` gets the file, `tensors` reads it, `hugging_face` and `clip` know its names, and
`checkpoint` checks and converts it.
"""
