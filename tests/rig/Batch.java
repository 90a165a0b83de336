import java.nio.ByteBuffer;
import java.util.Random;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MemoryRecordsBuilder;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.record.internal.SimpleRecord;
import org.apache.kafka.common.record.TimestampType;

/** Description of the batch in a Produce request: the bytes are made per side, as they may hold a producer id. */
public record Batch(Fault fault, Compression codec, String codecName, int records, int valueBytes, Timing timing, boolean keys,
        Object producer, short epoch, int sequence, boolean transactional) {
    enum Fault { NONE, NULL, EMPTY, CRC, MAGIC, OLD_MAGIC, CUT, GARBAGE, COUNT, TWO, OFFSET, CONTROL, LENGTH }
    enum Timing { NORMAL, NEGATIVE, FAR_FUTURE, LONG_AGO, DESCENDING }

    /** The time that the timestamps of all records are counted from, in ms: recent enough to be retained. */
    static final long EPOCH = System.currentTimeMillis() - 3 * 3_600_000L;

    static Batch good(int records) {
        return new Batch(Fault.NONE, Compression.NONE, "none", records, 10, Timing.NORMAL, true, -1L, (short) -1, -1, false);
    }

    static Batch random(Random random, Object producer) {
        Fault fault = random.nextInt(100) < 80 ? Fault.NONE : Fault.values()[random.nextInt(Fault.values().length)];
        Timing timing = random.nextInt(100) < 80 ? Timing.NORMAL : Timing.values()[random.nextInt(Timing.values().length)];
        Compression[] codecs = {Compression.NONE, Compression.NONE, Compression.gzip().build(), Compression.snappy().build(),
            Compression.lz4().build(), Compression.zstd().build()};
        String[] names = {"none", "none", "gzip", "snappy", "lz4", "zstd"};
        int codec = random.nextInt(codecs.length);
        boolean idempotent = producer != null && random.nextInt(100) < 40;
        int[] sizes = {0, 10, 10, 10, 100, 3_000, 1_100_000};
        int size = sizes[random.nextInt(random.nextInt(8) == 0 ? 7 : 6)];
        short[] epochs = {0, 0, 0, 0, 0, 0, 0, 1, 1, -1};
        int[] sequences = {0, 0, 0, 1, 2, 3, 5, -1, Integer.MAX_VALUE};
        return new Batch(fault, codecs[codec], names[codec], 1 + random.nextInt(size > 10_000 ? 1 : 4), size, timing, random.nextInt(4) > 0,
            idempotent ? producer : (Object) (-1L), idempotent ? epochs[random.nextInt(10)] : (short) -1,
            idempotent ? sequences[random.nextInt(9)] : -1, random.nextInt(80) == 0);
    }

    /** The bytes for a side, or null for no records at all. */
    ByteBuffer bytes(Side side) {
        if (fault == Fault.NULL) return null;
        if (fault == Fault.EMPTY) return ByteBuffer.allocate(0);
        if (fault == Fault.GARBAGE) return ByteBuffer.wrap(new byte[70]);
        ByteBuffer good = build(side, fault == Fault.OFFSET ? 1_000 : 0);
        if (fault == Fault.TWO) {
            ByteBuffer second = build(side, 0);
            return ByteBuffer.allocate(good.remaining() + second.remaining()).put(good).put(second).flip();
        }
        byte[] bytes = new byte[good.remaining()];
        good.get(bytes);
        switch (fault) {
            case CRC -> bytes[bytes.length - 1] ^= 1;
            case MAGIC -> bytes[16] = 9;
            case OLD_MAGIC -> bytes[16] = 1;
            case COUNT -> bytes[60] += 1;
            case LENGTH -> bytes[11] += 7;
            case CONTROL -> bytes[22] |= 0x20;
            case CUT -> bytes = java.util.Arrays.copyOf(bytes, bytes.length - 5);
            default -> { }
        }
        ByteBuffer buffer = ByteBuffer.wrap(bytes);
        if (fault == Fault.COUNT || fault == Fault.CONTROL) {
            java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
            crc.update(bytes, 21, bytes.length - 21);
            buffer.putInt(17, (int) crc.getValue());
        }
        return buffer;
    }

    private ByteBuffer build(Side side, long base) {
        long producerId = producer instanceof Symbol symbol ? (Long) side.valueOf(symbol) : (Long) producer;
        ByteBuffer buffer = ByteBuffer.allocate(512 + records * (valueBytes + 64));
        MemoryRecordsBuilder builder = new MemoryRecordsBuilder(buffer, RecordBatch.MAGIC_VALUE_V2, codec, TimestampType.CREATE_TIME, base,
            RecordBatch.NO_TIMESTAMP, producerId,
            producerId >= 0 ? (short) Math.max(epoch, 0) : -1, producerId >= 0 ? Math.max(sequence, 0) : -1, transactional && producerId >= 0, false, 0, buffer.capacity());
        byte[] value = new byte[valueBytes];
        // Not compressible, so that a large value is large with every codec.
        new Random(7).nextBytes(value);
        for (int n = 0; n < records; n++)
            builder.appendWithOffset(base + n, new SimpleRecord(time(n), keys ? ("key" + n % 2).getBytes() : null, valueBytes == 0 ? null : value));
        MemoryRecords built = builder.build();
        ByteBuffer bytes = built.buffer().duplicate();
        // What the library refuses to write is written over its work.
        if (producerId >= 0 && (sequence < 0 || epoch < 0)) {
            ByteBuffer copy = ByteBuffer.allocate(bytes.remaining()).put(bytes).flip();
            copy.putShort(51, epoch).putInt(53, sequence);
            java.util.zip.CRC32C crc = new java.util.zip.CRC32C();
            crc.update(copy.array(), 21, copy.limit() - 21);
            copy.putInt(17, (int) crc.getValue());
            return copy;
        }
        return bytes;
    }

    private long time(int n) {
        return switch (timing) {
            case NORMAL -> EPOCH + n * 10L;
            case DESCENDING -> EPOCH - n * 10L;
            case NEGATIVE -> -1;
            case FAR_FUTURE -> EPOCH + 1_000L * 86_400_000;
            case LONG_AGO -> 1_000 + n;
        };
    }

    @Override
    public String toString() {
        return "batch(" + fault + ", " + codecName + ", " + records + " records of " + valueBytes + " bytes" + (keys ? "" : " without key")
            + ", time " + timing + (producer.equals(-1L) ? "" : ", producer " + producer + " epoch " + epoch + " sequence " + sequence)
            + (transactional ? ", transactional" : "") + ")";
    }
}
