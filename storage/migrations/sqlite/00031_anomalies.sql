-- What rules found unusual: when each was last decided about whom or what, from where people sign in, coarsely, and how much happened
-- in each hour. Times are in microseconds.

-- +goose Up
CREATE TABLE anomalies (
    rule    text NOT NULL,
    subject text NOT NULL,
    at      integer NOT NULL,
    PRIMARY KEY (rule, subject)
);
CREATE INDEX anomalies_of_rule ON anomalies (rule, at);
CREATE INDEX anomalies_at ON anomalies (at);
CREATE TABLE habits (
    user_id text NOT NULL PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    places  text NOT NULL,
    seen_at integer NOT NULL
);
CREATE INDEX habits_seen ON habits (seen_at);
CREATE TABLE anomaly_hours (
    series text NOT NULL,
    hour   integer NOT NULL,
    n      integer NOT NULL,
    PRIMARY KEY (series, hour)
);
CREATE INDEX anomaly_hours_hour ON anomaly_hours (hour);

-- +goose Down
DROP TABLE anomaly_hours;
DROP TABLE habits;
DROP TABLE anomalies;
