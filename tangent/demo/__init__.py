"""The demo world: captioned images for pre-training and eight shifted tasks plus a control task.

Everything is rendered or cut from files inside installed packages; nothing is downloaded.
"""
