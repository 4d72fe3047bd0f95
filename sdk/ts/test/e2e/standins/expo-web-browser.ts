// The browser of a phone, with the test's person before it.
declare const phone: { open(url: string, redirectUri: string): Promise<string> };

export const openAuthSessionAsync = async (url: string, redirectUri: string): Promise<{ type: string; url: string }> => ({
  type: 'success',
  url: await phone.open(url, redirectUri),
});
export const dismissAuthSession = (): void => undefined;
