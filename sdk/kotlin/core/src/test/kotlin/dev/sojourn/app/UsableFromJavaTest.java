package dev.sojourn.app;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Java reaches all of it by futures. */
class UsableFromJavaTest {
    @Test
    void nobodyIsSignedIn(@TempDir Path folder) throws Exception {
        var config = new Config(
            "https://localhost:1", "notes", "com.example.notes:/callback", new FileStorage(folder), List.of("https://api.example.com/"));
        try (var app = new App(config)) {
            var java = new FutureApp(app);
            try (var heard = java.onEvent(event -> { })) {
                assertEquals(Status.SIGNED_OUT, java.state().get().getStatus());
                var failed = assertThrows(ExecutionException.class, () -> java.token().get());
                assertEquals(Kind.SIGNED_OUT, assertInstanceOf(AppException.class, failed.getCause()).getKind());
            }
        }
    }
}
