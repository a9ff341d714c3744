-- How often a device has opened a link, by its own count: the highest number that it sent. 0: it never sent one.
ALTER TABLE devices ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
