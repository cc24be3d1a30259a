"""Charged particles among fixed charges and electrodes."""
