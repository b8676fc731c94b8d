package main

import (
	"fmt"
	"math/rand"
	"strconv"
	"time"
)

// Item is an item of an order.
type Item struct {
	ItemID   string  `json:"item_id"`
	Quantity int     `json:"quantity"`
	Price    float64 `json:"price"`
}

// Order is an order event.
type Order struct {
	EventType   string  `json:"event_type"`
	OrderID     string  `json:"order_id"`
	UserID      string  `json:"user_id"`
	Items       []Item  `json:"items"`
	TotalAmount float64 `json:"total_amount"`
	Status      string  `json:"status"`
	Timestamp   string  `json:"timestamp"`
}

// Movement is a stock movement.
type Movement struct {
	EventType string `json:"event_type"`
	OrderID   string `json:"order_id"`
	ItemID    string `json:"item_id"`
	Quantity  int    `json:"quantity"`
	Action    string `json:"action"`
	Timestamp string `json:"timestamp"`
}

type menuItem struct {
	id    string
	cents int
}

const (
	failureRate = 0.05
	users       = 1_000
	maxItems    = 4
	maxQuantity = 3
)

// generator returns a function that makes orders as producer.ts does: the same menu, sizes, fields
// and failure rate.
func generator(seed int64) func() Order {
	random := rand.New(rand.NewSource(seed))
	deck := []menuItem{
		{"burger", 1000}, {"cheeseburger", 1150}, {"veggie_burger", 1090}, {"pizza_margherita", 980},
		{"pizza_funghi", 1120}, {"pasta", 875}, {"lasagne", 1240}, {"sushi", 1495},
		{"ramen", 1325}, {"tacos", 999}, {"salad", 745}, {"soup", 560},
		{"fries", 350}, {"ice_cream", 420}, {"coffee", 280}, {"lemonade", 330},
	}
	idPrefix := "order_" + strconv.FormatInt(seed, 36) + "_"
	number := 0
	return func() Order {
		number++
		items := make([]Item, 1+random.Intn(maxItems))
		cents := 0
		for i := range items {
			drawn := i + random.Intn(len(deck)-i)
			deck[i], deck[drawn] = deck[drawn], deck[i]
			quantity := 1 + random.Intn(maxQuantity)
			items[i] = Item{deck[i].id, quantity, float64(deck[i].cents) / 100}
			cents += quantity * deck[i].cents
		}
		status := "placed"
		if random.Float64() < failureRate {
			status = "failed"
		}
		return Order{
			EventType:   "OrderPlaced",
			OrderID:     idPrefix + fmt.Sprintf("%06d", number),
			UserID:      "user_" + strconv.Itoa(1+random.Intn(users)),
			Items:       items,
			TotalAmount: float64(cents) / 100,
			Status:      status,
			Timestamp:   time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		}
	}
}

// movements makes one stock movement per item, as inventory.ts does.
func movements(order *Order) []Movement {
	action := "release"
	if order.Status == "placed" {
		action = "reserve"
	}
	events := make([]Movement, len(order.Items))
	for i, item := range order.Items {
		events[i] = Movement{
			EventType: "InventoryEvent",
			OrderID:   order.OrderID,
			ItemID:    item.ItemID,
			Quantity:  item.Quantity,
			Action:    action,
			Timestamp: order.Timestamp,
		}
	}
	return events
}
