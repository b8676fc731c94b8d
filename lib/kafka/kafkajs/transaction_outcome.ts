/**
 * How the last transaction of a transactional id ended, and writing its end once more.
 *
 * The end of a transaction is a marker in each of its partitions. A coordinator that finds a partition
 * without a leader takes the topic for deleted, skips the marker and calls the transaction complete: seen
 * with Kafka 4.4.0 after `kill -9` of the only broker and of all brokers
 * (`TransactionMarkerChannelManager` logs "Couldn't find leader endpoint …, these partitions are likely
 * deleted already and hence can be skipped"; in `KRaftMetadataCache.getPartitionLeaderEndpoint` the
 * leader -1 gives an empty result). The records stay undecided, a pending offset answers
 * `UNSTABLE_OFFSET_COMMIT` from then on, and the next transaction of the same producer decides about
 * them. So the next owner ends the same partitions in the way that the coordinator has decided, which
 * it must ask for before it initialises the transactional id.
 *
 * @module
 */
import {
  type Decoder,
  newBodyDecoder,
  newEncoder,
  NO_TAGS,
  type ProtocolRequest,
  throwFailure,
} from "./protocol.ts";

/** How a transaction has ended, or will once its transactional id is initialised. */
export type TransactionOutcome = "commit" | "abort";

/** The states of a transaction (https://kafka.apache.org/protocol#The_Messages_DescribeTransactions). */
const OUTCOMES: Record<string, TransactionOutcome> = {
  PrepareCommit: "commit",
  CompleteCommit: "commit",
  Ongoing: "abort",
  PrepareAbort: "abort",
  CompleteAbort: "abort",
  PrepareEpochFence: "abort",
};

const DESCRIBE_TRANSACTIONS = 65;
/** The protocol's error for a transactional id without a transaction. */
const TRANSACTIONAL_ID_NOT_FOUND = 105;

/**
 * Creates the request for the outcome of the last transaction; `undefined` when there is none, or when the
 * id was initialised since.
 */
export function transactionOutcome(
  transactionalId: string,
): ProtocolRequest<Described, TransactionOutcome | undefined> {
  return {
    request: {
      apiKey: DESCRIBE_TRANSACTIONS,
      apiVersion: 0,
      apiName: "DescribeTransactions",
      encode() {
        const request = newEncoder()
          .writeUVarInt(NO_TAGS)
          .writeUVarIntArray([newEncoder().writeUVarIntString(transactionalId)])
          .writeUVarInt(NO_TAGS);
        return Promise.resolve(request);
      },
    },
    response: {
      decode(data) {
        const [described] = newBodyDecoder(data).readUVarIntArray(readState);
        return Promise.resolve(described!);
      },
      parse({ errorCode, state }) {
        if (errorCode === TRANSACTIONAL_ID_NOT_FOUND) return Promise.resolve(undefined);
        throwFailure(errorCode, { api: "DescribeTransactions" });
        return Promise.resolve(OUTCOMES[state]);
      },
    },
  };
}

interface Described {
  errorCode: number;
  state: string;
}

/** The first fields; nothing after them is needed. */
function readState(decoder: Decoder): Described {
  const errorCode = decoder.readInt16();
  decoder.readUVarIntString(); // transactional id
  return { errorCode, state: decoder.readUVarIntString() ?? "" };
}
