"""Planar rigid bodies: contact, joints, springs and motors."""
