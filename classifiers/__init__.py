"""Classifiers: sensitive information types, packs and the engines that evaluate them."""
