"""What documents, mails and archives say, read in a child process that cannot hurt this one."""
