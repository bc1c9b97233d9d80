"""Writing of a batch: conversion of its records to rows, and one transaction that stores them."""
