// The browser came back from signing in: the phone that opened it is told, as an app is by a link that opens it.
const answer = location.href;
const channel = new BroadcastChannel("sign-in");
history.replaceState(null, "", "callback"); // a code does not belong into the history
channel.onmessage = ({ data }) => data === "taken" && close();
channel.postMessage({ answer });
