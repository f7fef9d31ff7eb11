"""The demo's world of text: reviews, and sentences about things, written by grammars of templates.

Pre-training reads many domains and simple sentences; the tasks ask about two other domains, in
other words, with negations and distractions.
"""
