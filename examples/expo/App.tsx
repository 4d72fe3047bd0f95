import { followLinks, isKind, type State } from '@sojourn-auth/app/react-native';
import { useCallback, useEffect, useState } from 'react';
import { AppState, Button, Linking, Text, View } from 'react-native';
import { app } from './auth';

export default function App() {
  const [state, setState] = useState<State>();
  const [note, setNote] = useState('');
  const read = useCallback(() => void app.state().then(setState), []);
  const failed = useCallback((error: unknown) => {
    if (!isKind(error, 'cancelled')) setNote(String(error));
    read();
  }, [read]);

  useEffect(() => {
    read();
    const off = [app.on('changed', read), app.on('ended', ({ message }) => setNote(message))];
    // The way back of a sign-in may open the app: after it was killed meanwhile, for one.
    const links = followLinks(app, Linking, { signedIn: read, failed });
    return () => [...off, links].forEach((stop) => stop());
  }, [failed, read]);

  useEffect(() => {
    // While the app is in front it hears of an ending within a second.
    let stop: (() => void) | undefined;
    const look = (now: string) => {
      stop?.();
      stop = now === 'active' ? app.listen() : undefined;
    };
    look(AppState.currentState);
    const subscription = AppState.addEventListener('change', look);
    return () => {
      subscription.remove();
      stop?.();
    };
  }, []);

  const signIn = async () => {
    await app.signIn();
    setNote('');
    await app.userInfo();
    read();
  };
  const signOut = () => app.signOut().then(read, failed);
  const devices = async () => {
    const { siblings } = await (await app.fetch('http://localhost:8080/me')).json();
    setNote(`${siblings.length} other apps are signed in`);
  };
  return (
    <View style={{ flex: 1, justifyContent: 'center', padding: 24, gap: 12 }}>
      <Text>{note}</Text>
      {state?.status === 'signed_in' ? (
        <>
          <Text>Hello {state.identity?.name ?? state.identity?.sub}</Text>
          <Button title="Other devices" onPress={() => devices().catch(failed)} />
          <Button title="Sign out" onPress={signOut} />
        </>
      ) : (
        <Button title="Sign in" onPress={() => signIn().catch(failed)} />
      )}
    </View>
  );
}
