// A CAD system's subscriber: takes each notification once and answers that it was accepted.
//
//     javac -cp 'libs/*' CadSubscriber.java && java -cp 'libs/*:.' CadSubscriber BROKER AGENCY GROUP [FOLDER]
//
// On a secured broker GROUP is cad-AGENCY, and FOLDER holds what the operator hands over: `password` of the account
// cad-AGENCY and `ca.crt`, whom to believe. Needs kafka-clients and jackson-databind. A CAD keeps what it has seen in its database, in the transaction that
// opens the call; here it is kept in memory.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
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

    /** How a secured broker knows us: SCRAM over TLS, by the account cad-AGENCY. */
    private static Map<String, Object> letIn(String agency, Path folder) throws IOException {
        String password = Files.readString(folder.resolve("password")).strip();
        return Map.of(
            "security.protocol", "SASL_SSL", "sasl.mechanism", "SCRAM-SHA-512",
            "ssl.truststore.type", "PEM", "ssl.truststore.location", folder.resolve("ca.crt").toString(),
            "sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"cad-"
                + agency + "\" password=\"" + password + "\";");
    }

    public static void main(String[] arguments) throws Exception {
        String broker = arguments[0], agency = arguments[1], group = arguments[2];
        Set<String> seen = new HashSet<>();
        Map<String, Object> reached = new HashMap<>(Map.of("bootstrap.servers", broker));
        if (arguments.length > 3) {
            reached.putAll(letIn(agency, Path.of(arguments[3])));
        }
        Map<String, Object> reading = new HashMap<>(reached);
        reading.putAll(Map.of("group.id", group, "enable.auto.commit", "false", "auto.offset.reset", "earliest"));
        Map<String, Object> writing = new HashMap<>(reached);
        writing.putAll(Map.of("acks", "all", "enable.idempotence", "true"));
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
