// A CAD system's subscriber: takes each notification once and answers that it was accepted.
//
//     javac -cp 'libs/*' CadSubscriber.java && java -cp 'libs/*:.' CadSubscriber BROKER AGENCY GROUP
//
// Needs kafka-clients and jackson-databind. A CAD keeps what it has seen in its database, in the transaction that
// opens the call; here it is kept in memory.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class CadSubscriber {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String SOURCE = "cad.example/sample";

    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0], agency = arguments[1], group = arguments[2];
        Set<String> seen = new HashSet<>();
        Map<String, Object> reading = Map.of(
            "bootstrap.servers", broker, "group.id", group, "enable.auto.commit", "false",
            "auto.offset.reset", "earliest");
        Map<String, Object> writing = Map.of("bootstrap.servers", broker, "acks", "all", "enable.idempotence", "true");
        try (var consumer = new KafkaConsumer<>(reading, new StringDeserializer(), new ByteArrayDeserializer());
             var producer = new KafkaProducer<>(writing, new StringSerializer(), new ByteArraySerializer())) {
            consumer.subscribe(List.of("cad." + agency + ".notifications"));
            while (true) {
                for (ConsumerRecord<String, byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    JsonNode event = JSON.readTree(record.value());
                    if (!seen.add(event.get("id").asText())) {
                        continue;
                    }
                    JsonNode data = event.get("data");
                    String incident = data.get("incident_id").asText();
                    String what = data.get("cap").get("msgType").asText();
                    System.out.printf("%s %s %d %d %s%n", what, incident, data.get("revision").asInt(),
                        data.get("update_no").asInt(), data.get("kind").asText());
                    System.out.flush();
                    if (what.equals("Alert") && data.get("status").asText().equals("Actual")) {
                        producer.send(new ProducerRecord<>("cad." + agency + ".status", incident,
                            status(incident, "accepted", "26-000777"))).get();
                    }
                }
                consumer.commitSync(); // after the effect
            }
        }
    }

    /** An answer for cad.<agency>.status, a CloudEvent. The same answer said twice has the same id. */
    private static byte[] status(String incident, String said, String callNumber) throws Exception {
        String name = SOURCE + "/" + incident + "/" + said;
        ObjectNode event = JSON.createObjectNode();
        event.put("specversion", "1.0").put("type", "alpr.v1.cad.status").put("source", SOURCE)
            .put("id", UUID.nameUUIDFromBytes(name.getBytes(StandardCharsets.UTF_8)).toString())
            .put("subject", incident).put("time", Instant.now().toString())
            .put("datacontenttype", "application/json");
        event.putObject("data").put("incident_id", incident).put("status", said).put("call_number", callNumber);
        return JSON.writeValueAsBytes(event);
    }
}
