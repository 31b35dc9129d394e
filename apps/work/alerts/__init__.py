"""Telling people: what is severe enough, to whom it goes, when it is silent, and how many become one."""
