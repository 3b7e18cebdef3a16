#!/usr/bin/env python3
"""Fills a column in small transactions, several at a time:  backfill.py TABLE ASSIGNMENT

TABLE needs an integer key `id`. Each worker has a connection of its own and takes every n-th
range of ids. The database is the one of libpq's variables (PGHOST ...).
"""

import argparse
from concurrent.futures import ThreadPoolExecutor

import psycopg2


def ranges(table, size):
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM {table}")
        first, last = cursor.fetchone()
    connection.close()
    return [(low, min(low + size - 1, last)) for low in range(first, last + 1, size)]


def fill(table, assignment, batches):
    connection = psycopg2.connect("")
    for batch in batches:
        with connection, connection.cursor() as cursor:  # One transaction.
            cursor.execute(f"UPDATE {table} SET {assignment} WHERE id BETWEEN %s AND %s", batch)
    connection.close()


def main():
    parser = argparse.ArgumentParser(description="Fills a column in small transactions.")
    parser.add_argument("table")
    parser.add_argument("assignment", help="what stands behind SET")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--batch", type=int, default=500, help="rows per transaction")
    options = parser.parse_args()

    batches = ranges(options.table, options.batch)
    with ThreadPoolExecutor(options.workers) as pool:
        done = [pool.submit(fill, options.table, options.assignment, batches[i::options.workers])
                for i in range(options.workers)]
    for one in done:
        one.result()


if __name__ == "__main__":
    main()
