import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.AdminClient;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;

/** Offsets read (KIP-222) and set (KIP-496), static members removed (KIP-345), groups by their state (KIP-518). */
class GroupCalls {
    static void offer(Supplier<AdminClient> admin, Map<String, Driver.Operation> operations) {
        operations.put("group_offsets", request -> {
            Map<String, Long> found = new TreeMap<>();
            admin.get().listConsumerGroupOffsets(request.get("group").asText()).partitionsToOffsetAndMetadata().get()
                    .forEach((partition, offset) -> found.put(String.valueOf(partition.partition()), offset.offset()));
            return found;
        });
        operations.put("set_group_offset", request -> admin.get().alterConsumerGroupOffsets(request.get("group").asText(),
                Map.of(Driver.partition(request), new OffsetAndMetadata(request.get("offset").asLong()))).all().get());
        operations.put("remove_member", request -> {
            MemberToRemove member = new MemberToRemove(request.get("instance").asText());
            return admin.get().removeMembersFromConsumerGroup(request.get("group").asText(),
                    new RemoveMembersFromConsumerGroupOptions(List.of(member))).all().get();
        });
        operations.put("groups_in_state", request -> new TreeSet<>(Renamed.groups(admin.get(), request.get("state").asText())));
    }
}
