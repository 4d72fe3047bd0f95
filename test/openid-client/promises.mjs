// Counts promises kept and broken, and prints a line for each.
let kept = 0;
let broken = 0;

export const passed = () => kept;
export const failed = () => broken;

// promise runs one and returns what it gives. A broken one is printed with its cause and thrown on, marked as counted.
export async function promise(sentence, run) {
  try {
    const result = await run();
    kept++;
    console.log(`ok - ${sentence}`);
    return result;
  } catch (error) {
    broken++;
    console.log(`not ok - ${sentence}: ${explain(error)}`);
    throw Object.assign(error, { counted: true });
  }
}

// explain follows the causes: openid-client keeps what the server said in them.
function explain(error) {
  const parts = [];
  for (let at = error; at instanceof Error; at = at.cause) {
    parts.push([at.message, at.error, at.error_description].filter(Boolean).join(': '));
  }
  return parts.join(' < ');
}
