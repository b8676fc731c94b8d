import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Orders like those of producer.ts: the same menu, sizes, fields and failure rate. */
final class Orders {
    record Item(String item_id, int quantity, double price) {}

    record Order(
            String event_type,
            String order_id,
            String user_id,
            List<Item> items,
            double total_amount,
            String status,
            String timestamp) {}

    record Movement(
            String event_type,
            String order_id,
            String item_id,
            int quantity,
            String action,
            String timestamp) {}

    private record MenuItem(String id, int cents) {}

    private static final double FAILURE_RATE = 0.05;
    private static final int USERS = 1_000;
    private static final int MAX_ITEMS = 4;
    private static final int MAX_QUANTITY = 3;
    private static final DateTimeFormatter TIMESTAMP =
            DateTimeFormatter.ofPattern("yyyy-MM-dd'T'HH:mm:ss.SSS'Z'").withZone(ZoneOffset.UTC);

    private final MenuItem[] deck = {
        new MenuItem("burger", 1000), new MenuItem("cheeseburger", 1150),
        new MenuItem("veggie_burger", 1090), new MenuItem("pizza_margherita", 980),
        new MenuItem("pizza_funghi", 1120), new MenuItem("pasta", 875),
        new MenuItem("lasagne", 1240), new MenuItem("sushi", 1495),
        new MenuItem("ramen", 1325), new MenuItem("tacos", 999),
        new MenuItem("salad", 745), new MenuItem("soup", 560),
        new MenuItem("fries", 350), new MenuItem("ice_cream", 420),
        new MenuItem("coffee", 280), new MenuItem("lemonade", 330),
    };
    private final Random random;
    private final String idPrefix;
    private int number = 0;

    Orders(long seed) {
        random = new Random(seed);
        idPrefix = "order_" + Long.toString(seed, 36) + "_";
    }

    Order next() {
        number++;
        Item[] items = new Item[1 + random.nextInt(MAX_ITEMS)];
        int cents = 0;
        for (int i = 0; i < items.length; i++) {
            int drawn = i + random.nextInt(deck.length - i);
            MenuItem item = deck[drawn];
            deck[drawn] = deck[i];
            deck[i] = item;
            int quantity = 1 + random.nextInt(MAX_QUANTITY);
            items[i] = new Item(item.id, quantity, item.cents / 100.0);
            cents += quantity * item.cents;
        }
        String digits = Integer.toString(number);
        return new Order(
                "OrderPlaced",
                idPrefix + "0".repeat(Math.max(0, 6 - digits.length())) + digits,
                "user_" + (1 + random.nextInt(USERS)),
                Arrays.asList(items),
                cents / 100.0,
                random.nextDouble() < FAILURE_RATE ? "failed" : "placed",
                TIMESTAMP.format(Instant.now()));
    }

    /** One stock movement per item, as inventory.ts makes them. */
    static List<Movement> movements(Order order) {
        String action = order.status.equals("placed") ? "reserve" : "release";
        List<Movement> movements = new ArrayList<>(order.items.size());
        for (Item item : order.items) {
            movements.add(new Movement(
                    "InventoryEvent",
                    order.order_id,
                    item.item_id,
                    item.quantity,
                    action,
                    order.timestamp));
        }
        return movements;
    }
}
