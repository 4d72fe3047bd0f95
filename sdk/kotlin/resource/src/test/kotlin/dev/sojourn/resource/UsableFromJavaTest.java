package dev.sojourn.resource;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class UsableFromJavaTest {
    /** A request of some other framework. */
    private record Bare(List<String> authorization) implements Incoming {
        @Override
        public String getMethod() {
            return "GET";
        }

        @Override
        public String getUrl() {
            return "http://127.0.0.1/notes";
        }

        @Override
        public List<String> headers(String name) {
            return name.equalsIgnoreCase("Authorization") ? authorization : List.of();
        }
    }

    @Test
    void anApiOfJavaAsksForATokenAsOneOfKotlinDoes() {
        try (var guard = new Guard(new Config("http://127.0.0.1:1", "notes-api", "secret", "https://api.example.com", Stale.REFUSE))) {
            var filter = new GuardFilter(guard, request -> request.getMethod().equals("GET") ? new Operation("notes.read")
                : new Operation(List.of("notes.write"), "mfa", Duration.ofMinutes(5)));
            assertEquals(filter.getClass(), new GuardFilter(guard, "notes.read").getClass());
            var refused = assertThrows(RefusedException.class, () -> guard.check(new Bare(List.of())));
            assertEquals(401, refused.getStatus());
            var away = assertThrows(RefusedException.class,
                () -> guard.check(new Bare(List.of("Bearer a")), new Operation("notes.read")));
            assertEquals(503, away.getStatus());
        }
    }
}
