// The keychain of a phone that the test holds: it outlives the app's process.
declare const phone: { items: Map<string, string> };

export const AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY = 4;
export const getItemAsync = async (name: string): Promise<string | null> => phone.items.get(name) ?? null;
export const setItemAsync = async (name: string, text: string): Promise<void> => {
  if (!/^[\w.-]+$/.test(name) || text.length > 2048) throw new Error(`${name} with ${text.length} characters is no item`);
  phone.items.set(name, text);
};
export const deleteItemAsync = async (name: string): Promise<void> => void phone.items.delete(name);
