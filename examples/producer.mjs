// Publishes a consent and a cart: `npm install` in this folder, then `node producer.mjs`.
import { randomUUID } from "node:crypto";
import { Kafka, Partitioners, logLevel } from "kafkajs";

const [site, customer] = ["my-shop", "c-2002"];
const consent = { type: "consent_update", purpose: "marketing_message", channel: "email", status: "granted" };
const cart = { type: "add_to_cart", currency: "EUR", items: [{ item_id: "sku-lamp", price: 4990, quantity: 1 }] };

const brokers = (process.env.KAFKA_BOOTSTRAP_SERVERS ?? "127.0.0.1:19092").split(",");
const namespace = process.env.PIPELINE_NAMESPACE_NAME ?? "dev";
const kafka = new Kafka({ brokers, logLevel: logLevel.ERROR });
const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
await producer.connect();
for (const [topic, body] of [["shop.customers", consent], ["shop.carts", cart]]) {
  const occurred_at = new Date().toISOString();
  const event = { event_id: randomUUID(), site_id: site, customer_id: customer, occurred_at, ...body };
  const key = `${site}|${customer}`; // one person, one partition: their events keep their order
  const messages = [{ key, value: JSON.stringify(event) }];
  const [sent] = await producer.send({ topic: `${namespace}.${topic}`, acks: -1, messages });
  console.log(`${body.type} is at ${sent.topicName}-${sent.partition}, offset ${sent.baseOffset}`);
}
await producer.disconnect();
