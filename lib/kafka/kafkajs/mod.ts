/**
 * The values of kafkajs that this project uses, repaired. Everybody else takes them from here and
 * only types from `"kafkajs"`: the repairs must be loaded first, and imports are evaluated in the
 * order in which they are written.
 *
 * @module
 */
import "./repairs.ts";
import kafkajs from "kafkajs";

export {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  AssignerProtocol,
  Kafka,
  logLevel,
  ResourcePatternTypes,
} from "kafkajs";

// The names of its errors are not visible to an import, which only reads the text of a CommonJS module.
export const {
  KafkaJSAggregateError,
  KafkaJSConnectionError,
  KafkaJSNotImplemented,
  KafkaJSProtocolError,
  KafkaJSRequestTimeoutError,
  KafkaJSSASLAuthenticationError,
} = kafkajs;
