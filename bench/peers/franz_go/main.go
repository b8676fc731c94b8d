// The three jobs with franz-go, a Kafka client in Go.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// batch is the highest number of orders per transaction of inventory.
const batch = 20_000

type arguments struct {
	brokers string
	topic   string
	orders  int
	seed    int64
	group   string
	output  string
}

// report is what the benchmark checks.
type report map[string]int

// produceOptions are those of both producers. The defaults of franz-go are idempotence, acks=all, a
// linger of 10 ms, batches up to 1 MB, and the partitions of keys as Kafka's Java client and
// producer.ts choose them. Others were not faster.
func produceOptions(topic string) []kgo.Opt {
	return []kgo.Opt{
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	}
}

func consumeOptions(args arguments) []kgo.Opt {
	return []kgo.Opt{
		kgo.ConsumerGroup(args.group),
		kgo.ConsumeTopics(args.topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	}
}

func produce(ctx context.Context, args arguments) (report, error) {
	client, err := kgo.NewClient(append(produceOptions(args.topic), seeds(args))...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	var delivery kgo.FirstErrPromise
	next := generator(args.seed)
	for range args.orders {
		order := next()
		value, err := json.Marshal(&order)
		if err != nil {
			return nil, err
		}
		record := &kgo.Record{Key: []byte(order.OrderID), Value: value}
		client.Produce(ctx, record, delivery.Promise())
	}
	// Sends what still lingers.
	if err := client.Flush(ctx); err != nil {
		return nil, err
	}
	return report{"orders": args.orders}, delivery.Err()
}

func analytics(ctx context.Context, args arguments) (report, error) {
	options := append(consumeOptions(args), seeds(args), kgo.AutoCommitInterval(time.Second))
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	type counts struct{ total, failed int }
	minutes := map[string]*counts{}
	for read := 0; read < args.orders; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		for records := fetches.RecordIter(); !records.Done(); read++ {
			var order Order
			if err := json.Unmarshal(records.Next().Value, &order); err != nil {
				return nil, err
			}
			if order.EventType != "OrderPlaced" {
				continue
			}
			minute := minutes[order.Timestamp[:16]]
			if minute == nil {
				minute = &counts{}
				minutes[order.Timestamp[:16]] = minute
			}
			minute.total++
			if order.Status == "failed" {
				minute.failed++
			}
		}
	}
	if err := client.CommitUncommittedOffsets(ctx); err != nil {
		return nil, err
	}
	result := report{"minutes": len(minutes)}
	for _, minute := range minutes {
		result["orders"] += minute.total
		result["failed"] += minute.failed
	}
	return result, nil
}

func inventory(ctx context.Context, args arguments) (report, error) {
	options := append(produceOptions(args.output), consumeOptions(args)...)
	options = append(options, seeds(args), kgo.TransactionalID(args.group))
	session, err := kgo.NewGroupTransactSession(options...)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	done := 0
	for done < args.orders {
		fetches := session.PollRecords(ctx, batch)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		if err := session.Begin(); err != nil {
			return nil, err
		}
		delivery := kgo.AbortingFirstErrPromise(session.Client())
		for records := fetches.RecordIter(); !records.Done(); {
			if err := move(ctx, session, records.Next().Value, delivery); err != nil {
				return nil, err
			}
		}
		// Sends what still lingers.
		if err := session.Client().Flush(ctx); err != nil {
			return nil, err
		}
		committed, err := session.End(ctx, delivery.Err() == nil)
		if err != nil {
			return nil, err
		}
		// After an abort, the session reads the orders again.
		if committed {
			done += fetches.NumRecords()
		}
	}
	return report{"orders": done}, nil
}

// move produces the stock movements of an order.
func move(
	ctx context.Context,
	session *kgo.GroupTransactSession,
	value []byte,
	delivery *kgo.FirstErrPromise,
) error {
	var order Order
	if err := json.Unmarshal(value, &order); err != nil {
		return err
	}
	for _, event := range movements(&order) {
		encoded, err := json.Marshal(&event)
		if err != nil {
			return err
		}
		record := &kgo.Record{Key: []byte(event.ItemID), Value: encoded}
		session.Produce(ctx, record, delivery.Promise())
	}
	return nil
}

func seeds(args arguments) kgo.Opt {
	return kgo.SeedBrokers(strings.Split(args.brokers, ",")...)
}

func run() error {
	jobs := map[string]func(context.Context, arguments) (report, error){
		"produce": produce, "analytics": analytics, "inventory": inventory,
	}
	if len(os.Args) < 2 || jobs[os.Args[1]] == nil {
		return errors.New("expected produce, analytics or inventory")
	}
	var args arguments
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.StringVar(&args.brokers, "brokers", "", "the brokers, separated by commas")
	flags.StringVar(&args.topic, "topic", "", "the topic of orders")
	flags.IntVar(&args.orders, "orders", 0, "how many orders")
	flags.Int64Var(&args.seed, "seed", 1, "what orders are generated from")
	flags.StringVar(&args.group, "group", "", "the consumer group")
	flags.StringVar(&args.output, "output", "", "the topic of stock movements")
	if err := flags.Parse(os.Args[2:]); err != nil {
		return err
	}
	result, err := jobs[os.Args[1]](context.Background(), args)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(result)
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
