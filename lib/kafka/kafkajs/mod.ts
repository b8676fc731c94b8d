/**
 * The values of kafkajs that this project uses, repaired. Everybody else takes them from here and
 * only types from `"kafkajs"`: the repairs must be loaded first, and imports are evaluated in the
 * order in which they are written.
 *
 * @module
 */
import "./repairs.ts";
export { AssignerProtocol, Kafka, logLevel } from "kafkajs";
