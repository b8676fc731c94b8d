"""What both Python peers share: the command line, orders like those of producer.ts, movements."""

import argparse
import json
import random
from datetime import datetime, timezone

MENU = [
    ("burger", 1000), ("cheeseburger", 1150), ("veggie_burger", 1090), ("pizza_margherita", 980),
    ("pizza_funghi", 1120), ("pasta", 875), ("lasagne", 1240), ("sushi", 1495),
    ("ramen", 1325), ("tacos", 999), ("salad", 745), ("soup", 560),
    ("fries", 350), ("ice_cream", 420), ("coffee", 280), ("lemonade", 330),
]
FAILURE_RATE = 0.05
USERS = 1_000

# One encoder for all: json.dumps would make a new one for each call with these separators.
encode = json.JSONEncoder(separators=(",", ":")).encode


def arguments():
    """The command line: `PEER.py produce|analytics|inventory --brokers … --orders …`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=["produce", "analytics", "inventory"])
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--topic", required=True, help="the topic of orders")
    parser.add_argument("--orders", required=True, type=int, help="how many orders")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--group", help="the consumer group")
    parser.add_argument("--output", help="the topic of stock movements")
    return parser.parse_args()


def orders(count, seed):
    """Generates orders as producer.ts does: the same menu, sizes, fields and failure rate."""
    number = random.Random(seed).random
    deck = list(MENU)
    cards = len(deck)
    for index in range(count):
        items = []
        cents = 0
        for i in range(1 + int(number() * 4)):
            drawn = i + int(number() * (cards - i))
            item = deck[drawn]
            deck[drawn] = deck[i]
            deck[i] = item
            quantity = 1 + int(number() * 3)
            items.append({"item_id": item[0], "quantity": quantity, "price": item[1] / 100})
            cents += quantity * item[1]
        now = datetime.now(timezone.utc)
        yield {
            "event_type": "OrderPlaced",
            "order_id": f"order_{seed}_{index + 1:06}",
            "user_id": f"user_{1 + int(number() * USERS)}",
            "items": items,
            "total_amount": cents / 100,
            "status": "failed" if number() < FAILURE_RATE else "placed",
            "timestamp": now.isoformat(timespec="milliseconds")[:-6] + "Z",
        }


def movements(order):
    """One stock movement per item, as inventory.ts makes them."""
    action = "reserve" if order["status"] == "placed" else "release"
    return [
        {
            "event_type": "InventoryEvent",
            "order_id": order["order_id"],
            "item_id": item["item_id"],
            "quantity": item["quantity"],
            "action": action,
            "timestamp": order["timestamp"],
        }
        for item in order["items"]
    ]


class Metrics:
    """Orders and failures per minute, in memory only."""

    def __init__(self):
        self.orders = 0
        self.minutes = {}

    def count(self, value):
        """Counts a record's value."""
        order = json.loads(value)
        if order["event_type"] != "OrderPlaced":
            return
        self.orders += 1
        minute = self.minutes.setdefault(order["timestamp"][:16], [0, 0])
        minute[0] += 1
        if order["status"] == "failed":
            minute[1] += 1

    def result(self):
        """What the benchmark checks."""
        failed = sum(minute[1] for minute in self.minutes.values())
        return {"orders": self.orders, "failed": failed, "minutes": len(self.minutes)}
